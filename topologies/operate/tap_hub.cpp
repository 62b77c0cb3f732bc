#include "topologies/operate/tap_hub.h"

#include <algorithm>
#include <deque>
#include <map>

#include "engine/mutex.h"
#include "engine/text/json_object.h"
#include "topologies/operate/masking.h"
#include "topologies/operate/tap_view.h"

namespace anabranch {
namespace {

constexpr size_t kMostTaps = 8;
constexpr size_t kRingBytes = size_t{1} << 20;
constexpr size_t kMostRowBytes = size_t{256} << 10;
constexpr int64_t kUnreadNs = 15'000'000'000;
// Time of a lane that all taps together may take: the share, and what may be saved up for the first rows.
constexpr double kShare = 0.005;
constexpr double kMostSavedNs = 20e6;
constexpr int64_t kRowsPerLook = 16;  // at the clock

// One viewer. Everything but what never changes is guarded by the hub's mutex.
struct Tap {
  TapRequest request;
  std::string owner;
  std::shared_ptr<const Plan> plan;
  TapViews compiled;
  struct Held {
    int64_t seq;
    std::shared_ptr<const TapRow> row;
  };
  std::deque<Held> ring;
  size_t ring_bytes = 0;
  int64_t seen = 0, matched = 0, dropped = 0, copied = 0;
  int64_t passed_by = 0;  // TapHub::Core::passed_by_ when it was opened
  int64_t read_ns = 0;
  double tokens = 1;  // of request.most_per_s
  int64_t tokens_ns = 0;
  bool active = true;  // takes rows

  bool IsFor(const TapViewer& viewer) const { return viewer.name == owner && (viewer.may_reveal || !request.reveal); }
  bool TakeToken(int64_t now_ns) {
    if (request.most_per_s <= 0) return true;
    tokens = std::min(std::max(1.0, request.most_per_s),
                      tokens + request.most_per_s * static_cast<double>(now_ns - tokens_ns) / 1e9);
    tokens_ns = now_ns;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  }
};

std::string RecordJson(const Tap& tap, const TapRow& row) {
  const PlanSource& source = tap.plan->sources[row.source];
  return JsonBytes(tap.request.reveal ? row.payload : MaskRecord(source, row.payload, /*stand_ins=*/true));
}

std::string RowText(const Tap& tap, const Tap::Held& held) {
  std::string text = "{\"seq\": " + std::to_string(held.seq) + ", " + held.row->members;
  if (tap.request.record) text += ", \"record\": " + RecordJson(tap, *held.row);
  return text + "}";
}

}  // namespace

class TapHub::Core {
 public:
  Core(const Clock& clock, std::atomic<int>* open) : clock_(clock), open_(open), refilled_ns_(clock.NowNs()) {}

  void Use(std::shared_ptr<const Plan> plan) {
    const MutexLock lock(mutex_);
    for (auto& [id, tap] : taps_) tap->active = false;
    plan_ = std::move(plan);
    CountOpen();
  }

  Result<std::string> Open(const TapRequest& request, const TapViewer& viewer) {
    std::shared_ptr<const Plan> plan;
    {
      const MutexLock lock(mutex_);
      DropUnread();
      plan = plan_;
      if (plan == nullptr) return Status(Code::kUnavailable, "the pipeline has not started yet; try again");
      if (taps_.size() >= kMostTaps) {
        return Status(Code::kUnavailable,
                      "8 taps are open already; close one, or wait 15 s until those that nobody "
                      "reads have ended");
      }
    }
    auto tap = std::make_shared<Tap>();
    tap->request = request;
    tap->owner = viewer.name;
    ASSIGN_OR_RETURN(tap->compiled, CompileTap(*plan, request));
    tap->plan = std::move(plan);
    const MutexLock lock(mutex_);
    tap->active = tap->plan == plan_;
    tap->read_ns = tap->tokens_ns = clock_.NowNs();
    tap->passed_by = passed_by_.load(std::memory_order_relaxed);
    const std::string id = "t" + std::to_string(++last_id_);
    taps_.emplace(id, std::move(tap));
    CountOpen();
    return id;
  }

  Result<std::string> Read(const std::string& id, int64_t after, const TapViewer& viewer) {
    JsonObject json;
    std::shared_ptr<Tap> tap;
    std::vector<Tap::Held> rows;
    {
      const MutexLock lock(mutex_);
      DropUnread();
      const auto found = taps_.find(id);
      if (found == taps_.end() || !found->second->IsFor(viewer)) {
        return Status(Code::kInvalid, "you have no tap \"" + id + "\": it was closed, or nobody read it for 15 s");
      }
      tap = found->second;
      tap->read_ns = clock_.NowNs();
      while (!tap->ring.empty() && tap->ring.front().seq <= after) {
        tap->ring_bytes -= tap->ring.front().row->bytes();
        tap->ring.pop_front();
      }
      rows.assign(tap->ring.begin(), tap->ring.end());
      const int64_t passed_by = passed_by_.load(std::memory_order_relaxed) - tap->passed_by;
      json.AddNumber("seen", tap->seen + passed_by).AddNumber("matched", tap->matched);
      json.AddNumber("dropped", tap->dropped + passed_by).AddFlag("done", !tap->active);
      json.AddNumber("next", rows.empty() ? after : rows.back().seq);
    }
    std::vector<std::string> texts;
    for (const Tap::Held& held : rows) texts.push_back(RowText(*tap, held));
    json.AddJson("masked", JsonStrings(tap->compiled.masked)).AddJson("sinks", JsonStrings(tap->compiled.sinks));
    return json.AddJson("rows", JsonList(texts)).text();
  }

  bool Close(const std::string& id, const TapViewer& viewer) {
    const MutexLock lock(mutex_);
    const auto found = taps_.find(id);
    if (found == taps_.end() || !found->second->IsFor(viewer)) return false;
    all_dropped_ += found->second->dropped;
    taps_.erase(found);
    CountOpen();
    return true;
  }

  int64_t dropped() {
    const MutexLock lock(mutex_);
    int64_t sum = all_dropped_ + passed_by_.load(std::memory_order_relaxed);
    for (const auto& [id, tap] : taps_) sum += tap->dropped;
    return sum;
  }

  // A lane. Another lane or a viewer at work here: this batch passes by, no one waits.
  void Copy(const RecordBatch& batch) {
    if (!mutex_.TryLock()) {
      passed_by_.fetch_add(batch.rows(), std::memory_order_relaxed);
      return;
    }
    try {
      Look(batch);
    } catch (...) {  // no memory: viewers do without
      passed_by_.fetch_add(batch.rows(), std::memory_order_relaxed);
    }
    mutex_.Unlock();
  }

 private:
  void Look(const RecordBatch& batch) REQUIRES(mutex_) {
    const int64_t begin_ns = clock_.NowNs();
    saved_ns_ = std::min(kMostSavedNs, saved_ns_ + kShare * static_cast<double>(begin_ns - refilled_ns_));
    refilled_ns_ = begin_ns;
    late_ = false;
    for (auto& [id, tap] : taps_) {
      if (!tap->active) continue;
      if (begin_ns - tap->read_ns > kUnreadNs) {
        tap->active = false;
        continue;
      }
      LookFor(tap.get(), batch, begin_ns);
    }
    saved_ns_ -= static_cast<double>(clock_.NowNs() - begin_ns);
    CountOpen();
  }

  // Row by row, so that what a limit cuts off are whole rows, at all their nodes.
  void LookFor(Tap* tap, const RecordBatch& batch, int64_t now_ns) REQUIRES(mutex_) {
    const std::vector<TapView>& views = tap->compiled.views;
    if (looks_.size() < views.size()) looks_.resize(views.size());
    for (size_t i = 0; i < views.size(); ++i) {
      looks_[i].seen = 0;
      if (batch.stages.size() <= views[i].stage) continue;
      if (saved_ns_ <= 0) {  // not even a look: the rows that the node worked on pass by
        const uint32_t rows = batch.stages[views[i].stage].active_count;
        tap->seen += rows;
        tap->dropped += rows;
        continue;
      }
      looks_[i].seen = RowsAt(views[i], batch, tap->request.at_inputs, &looks_[i].came);
      if (looks_[i].seen == 0) continue;
      looks_[i].match = looks_[i].came;
      if (!Matching(views[i], batch, evaluator_, &looks_[i].match)) looks_[i].match.assign(batch.rows(), 0);
    }
    for (uint32_t row = 0; row < batch.rows() && tap->active; ++row) {
      for (size_t i = 0; i < views.size() && tap->active; ++i) {
        if (looks_[i].seen == 0) continue;
        tap->seen += looks_[i].came[row];
        if (looks_[i].match[row] != 0) Take(views[i], batch, row, now_ns, tap);
      }
    }
  }

  void Take(const TapView& view, const RecordBatch& batch, uint32_t row, int64_t now_ns, Tap* tap) REQUIRES(mutex_) {
    ++tap->matched;
    if (!tap->TakeToken(now_ns)) return;
    const bool look_at_time = (tap->matched % kRowsPerLook) == 0;
    if (look_at_time && static_cast<double>(clock_.NowNs() - now_ns) > saved_ns_) late_ = true;
    if (late_ || BytesOf(view, batch, row, tap->request.record) > kMostRowBytes || tap->ring_bytes >= kRingBytes) {
      ++tap->dropped;
      return;
    }
    auto copy = std::make_shared<TapRow>(CopyRow(*tap->plan, tap->compiled, view, tap->request.record, batch, row));
    if (tap->ring_bytes + copy->bytes() > kRingBytes) {
      ++tap->dropped;
      return;
    }
    tap->ring_bytes += copy->bytes();
    tap->ring.push_back({++tap->copied, std::move(copy)});
    if (tap->request.limit > 0 && tap->copied >= tap->request.limit) tap->active = false;
  }

  void DropUnread() REQUIRES(mutex_) {
    const int64_t now_ns = clock_.NowNs();
    for (auto each = taps_.begin(); each != taps_.end();) {
      const bool unread = now_ns - each->second->read_ns > kUnreadNs;
      if (unread) all_dropped_ += each->second->dropped;
      each = unread ? taps_.erase(each) : std::next(each);
    }
    CountOpen();
  }

  void CountOpen() REQUIRES(mutex_) {
    int active = 0;
    for (const auto& [id, tap] : taps_) active += tap->active ? 1 : 0;
    open_->store(active, std::memory_order_relaxed);
  }

  const Clock& clock_;
  std::atomic<int>* const open_;
  std::atomic<int64_t> passed_by_{0};  // rows of batches that no tap looked at
  Mutex mutex_;
  std::shared_ptr<const Plan> plan_ GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Tap>> taps_ GUARDED_BY(mutex_);
  int64_t last_id_ GUARDED_BY(mutex_) = 0;
  int64_t all_dropped_ GUARDED_BY(mutex_) = 0;  // by taps that ended
  double saved_ns_ GUARDED_BY(mutex_) = kMostSavedNs;
  int64_t refilled_ns_ GUARDED_BY(mutex_);
  Evaluator evaluator_ GUARDED_BY(mutex_);
  bool late_ GUARDED_BY(mutex_) = false;  // what was saved up is used up within this batch
  struct View {
    uint32_t seen = 0;                 // rows of the batch that it is to look at
    std::vector<uint8_t> came, match;  // by row
  };
  std::vector<View> looks_ GUARDED_BY(mutex_);  // by view of one tap
};

TapHub::TapHub(const Clock& clock) : core_(std::make_unique<Core>(clock, &open_)) {}
TapHub::~TapHub() = default;

void TapHub::Use(std::shared_ptr<const Plan> plan) { core_->Use(std::move(plan)); }
void TapHub::Copy(const RecordBatch& batch) { core_->Copy(batch); }
Result<std::string> TapHub::Open(const TapRequest& request, const TapViewer& viewer) {
  return core_->Open(request, viewer);
}
Result<std::string> TapHub::Read(const std::string& id, int64_t after, const TapViewer& viewer) {
  return core_->Read(id, after, viewer);
}
bool TapHub::Close(const std::string& id, const TapViewer& viewer) { return core_->Close(id, viewer); }
int64_t TapHub::dropped() const { return core_->dropped(); }

}  // namespace anabranch
