#include "engine/run/batch_window.h"

#include <thread>
#include <utility>

#include "engine/keep/kept_batch.h"

namespace anabranch {

BatchWindow::BatchWindow(RunShared& shared, const LaneParts& parts, UncommittedCounts& counts, LaneMeter& meter)
    : shared_(shared),
      parts_(parts),
      counts_(counts),
      meter_(meter),
      most_flights_(shared.crew == nullptr ? 1 : static_cast<size_t>(std::thread::hardware_concurrency()) + 2),
      pacer_(shared.plan, ChooseBatch(shared.plan)) {}

std::unique_ptr<RecordBatch> BatchWindow::TakeBatch() {
  std::unique_ptr<RecordBatch> batch;
  if (spare_.empty()) {
    batch = std::make_unique<RecordBatch>();
    batch->Clear(shared_.plan.columns.size(), shared_.plan.stages());
  } else {
    batch = std::move(spare_.back());
    spare_.pop_back();
  }
  batch->source = parts_.source_stage;
  batch->partitions = parts_.partitions.get();
  return batch;
}

void BatchWindow::Recycle(std::unique_ptr<RecordBatch> batch) {
  batch->Clear(shared_.plan.columns.size(), shared_.plan.stages());
  spare_.push_back(std::move(batch));
}

void BatchWindow::Submit(std::unique_ptr<RecordBatch> batch, const Intake& intake) {
  const bool more_waits = batch->rows() >= pacer_.limits().max_rows;
  auto flight = std::make_shared<Flight>();
  static_cast<Intake&>(*flight) = intake;
  flight->batch = std::move(batch);
  flights_.push_back(flight);
  NoteBytes();
  const auto compute = [this, flight](PlanWorker& worker) { Compute(*flight, worker); };
  if (more_waits && flights_.size() < most_flights_ && shared_.crew != nullptr && shared_.crew->TryRun(compute)) return;
  ComputeHere(*flight);
}

Result<const BatchWindow::Flight*> BatchWindow::Finished(bool wait) {
  while (!flights_.empty()) {
    Flight& oldest = *flights_.front();
    if (std::exchange(oldest.waits, false)) ComputeHere(oldest);
    if (wait || flights_.size() >= most_flights_) Await(oldest);
    if (!oldest.done.load(std::memory_order_acquire)) break;
    if (oldest.status.ok() || !oldest.too_large) return &oldest;
    RETURN_IF_ERROR(Split());
  }
  return nullptr;
}

std::shared_ptr<BatchWindow::Flight> BatchWindow::Pop() {
  std::shared_ptr<Flight> flight = std::move(flights_.front());
  flights_.pop_front();
  NoteBytes();
  Pace(*flight);
  return flight;
}

void BatchWindow::WaitForAll() {
  for (const auto& flight : flights_) Await(*flight);
}

void BatchWindow::Drop() {
  for (const auto& flight : flights_) shared_.counters.AddRead(-flight->read);
  Clear();
}

void BatchWindow::Clear() {
  flights_.clear();
  NoteBytes();
}

void BatchWindow::NoteBytes() {
  size_t bytes = 0;
  for (const auto& flight : flights_) bytes += flight->batch->payload_bytes;
  meter_.InFlight(static_cast<int64_t>(bytes));
}

bool BatchWindow::TakeOver() {
  Place parked = Place::kParked;
  return place_.compare_exchange_strong(parked, Place::kTaken);
}

void BatchWindow::Unpark() {
  Place parked = Place::kParked;
  if (!place_.compare_exchange_strong(parked, Place::kMoving)) place_.wait(Place::kTaken);  // for good
}

void BatchWindow::Await(Flight& flight) {
  if (flight.waits || flight.done.load(std::memory_order_acquire)) return;
  const LaneClock::Spell crew(&meter_.clock(), LaneState::kCrew, parts_.worker->costliest());
  Park([&] { flight.done.wait(false); });
}

void BatchWindow::Compute(Flight& flight, PlanWorker& worker) {
  const bool timed = pacer_.adapts();
  const int64_t begin = timed ? shared_.clock.NowNs() : 0;
  if (shared_.before) shared_.before(*flight.batch);
  flight.status = worker.Run(*flight.batch, shared_.crew);
  if (timed) flight.busy_ns = shared_.clock.NowNs() - begin;
  flight.failed_stage = worker.failed_stage();
  flight.failed_class = worker.failed_class();
  flight.too_large = worker.too_large();
  flight.attempts = worker.failed_attempts();
  flight.done.store(true, std::memory_order_release);
  flight.done.notify_all();
}

void BatchWindow::ComputeHere(Flight& flight) {
  Park([&] { Compute(flight, *parts_.worker); });
}

void BatchWindow::Pace(const Flight& flight) {
  if (flight.batch->restored) return;
  pacer_.Note(flight.batch->rows(), flight.busy_ns);
  if (const BatchMiss miss = pacer_.TakeMiss(); miss.rows > 0) shared_.warn(TooSlowNow(shared_.plan, miss));
}

// The oldest batch is taken up again in two parts, as a restart takes up kept rows: no stage above the targets runs
// again. The parts are computed one after the other, so that the results of only one are held.
Status BatchWindow::Split() {
  const std::shared_ptr<Flight> whole = flights_.front();
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
  front->kept = back->kept = whole->kept;
  front->switches = whole->switches;
  if (whole->read > 0) {
    front->read = front->rows;
    back->read = back->rows;
  }
  counts_.Add(0, 0, batch);
  std::unique_ptr<RecordBatch> emptied = std::move(whole->batch);
  flights_.pop_front();
  flights_.push_front(std::move(back));
  flights_.push_front(std::move(front));
  Recycle(std::move(emptied));
  return Status::Ok();
}

Result<std::shared_ptr<BatchWindow::Flight>> BatchWindow::MakePart(const RecordBatch& batch,
                                                                   const std::vector<bool>& done,
                                                                   const RestoreRules& rules, uint32_t first,
                                                                   uint32_t count) {
  auto part = std::make_shared<Flight>();
  part->batch = TakeBatch();
  auto frame = std::make_shared<const std::string>(WriteKeptPart(shared_.plan, batch, done, first, count));
  RETURN_IF_ERROR(RestoreKeptBatch(shared_.plan, std::move(frame), rules, *parts_.partitions, part->batch.get()));
  part->batch->partitions = parts_.partitions.get();
  part->batch->lane = batch.lane;
  part->batch->sequence = batch.sequence;
  part->batch->intake_ns = batch.intake_ns;
  part->rows = count;
  part->waits = true;
  part->last_part = false;
  return part;
}

}  // namespace anabranch
