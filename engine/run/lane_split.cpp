// How a lane computes a batch, and divides one whose results are more than a batch may hold.
#include "engine/keep/kept_batch.h"
#include "engine/run/lane.h"

namespace anabranch {

void Lane::Compute(InFlight& flight, PlanWorker& worker) {
  const bool timed = pacer_.adapts();
  const int64_t begin = timed ? shared_.clock.NowNs() : 0;
  flight.status = worker.Run(*flight.batch, shared_.crew);
  if (timed) flight.busy_ns = shared_.clock.NowNs() - begin;
  flight.failed_stage = worker.failed_stage();
  flight.failed_class = worker.failed_class();
  flight.attempts = worker.failed_attempts();
  flight.done.store(true, std::memory_order_release);
  flight.done.notify_all();
}

void Lane::ComputeHere(InFlight& flight) {
  place_ = Place::kParked;
  Compute(flight, *parts_.worker);
  Unpark();
}

// Taken up again in two parts, as a restart takes up what was kept: no stage above the targets runs again. The parts
// are computed one after the other, so that the results of only one are held.
Status Lane::SplitHead() {
  const std::shared_ptr<InFlight> whole = in_flight_.front();
  RecordBatch& batch = *whole->batch;
  std::vector<bool> done;
  RestoreRules rules;
  for (StageId stage = 0; stage < shared_.plan.stages(); ++stage) {
    if (stage >= shared_.plan.sources.size() && shared_.plan.node(stage).program->target() != nullptr) {
      batch.PrepareStage(stage);
    }
    done.push_back(batch.stages[stage].done);
    if (done.back()) rules.reuse[shared_.plan.StageName(stage)] = shared_.plan.StageName(stage);
  }
  if (batch.give_up != kNoStage) rules.give_up = shared_.plan.StageName(batch.give_up);
  const uint32_t half = batch.rows() / 2;
  ASSIGN_OR_RETURN(auto front, MakePart(batch, done, rules, 0, half));
  ASSIGN_OR_RETURN(auto back, MakePart(batch, done, rules, half, batch.rows() - half));
  back->last_part = whole->last_part;
  if (whole->read > 0) {
    front->read = front->rows;
    back->read = back->rows;
  }
  NoteCounted(0, 0, batch);
  std::unique_ptr<RecordBatch> emptied = std::move(whole->batch);
  in_flight_.pop_front();
  in_flight_.push_front(std::move(back));
  in_flight_.push_front(std::move(front));
  Recycle(std::move(emptied));
  return Status::Ok();
}

Result<std::shared_ptr<Lane::InFlight>> Lane::MakePart(const RecordBatch& batch, const std::vector<bool>& done,
                                                       const RestoreRules& rules, uint32_t first, uint32_t count) {
  auto part = std::make_shared<InFlight>();
  part->batch = TakeBatch();
  auto frame = std::make_shared<const std::string>(WriteKeptPart(shared_.plan, batch, done, first, count));
  RETURN_IF_ERROR(RestoreKeptBatch(shared_.plan, std::move(frame), rules, *parts_.partitions, part->batch.get()));
  part->batch->partitions = parts_.partitions.get();
  part->batch->lane = batch.lane;
  part->batch->sequence = batch.sequence;
  part->rows = count;
  part->waits = true;
  part->last_part = false;
  return part;
}

}  // namespace anabranch
