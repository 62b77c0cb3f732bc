#include "engine/keep/kept_claim.h"

#include <algorithm>
#include <map>
#include <queue>

namespace anabranch {
namespace {

// One partition's rows of one candidate.
struct Link {
  int64_t first = 0, next = 0;
  size_t candidate = 0;
};

// Returns the newest candidate that holds the row at a position. Positions only grow.
class PartitionChain {
 public:
  void Add(Link link) { links_.push_back(link); }
  void Sort() {
    std::sort(links_.begin(), links_.end(), [](const Link& a, const Link& b) { return a.first < b.first; });
  }
  bool empty() const { return links_.empty(); }
  int64_t begin() const { return links_.front().first; }
  const Link* At(int64_t position) {
    for (; reached_ < links_.size() && links_[reached_].first <= position; ++reached_) open_.push(links_[reached_]);
    while (!open_.empty() && open_.top().next <= position) open_.pop();
    return open_.empty() ? nullptr : &open_.top();
  }

 private:
  struct Older {
    bool operator()(const Link& a, const Link& b) const { return a.candidate < b.candidate; }
  };
  std::vector<Link> links_;  // by first
  size_t reached_ = 0;
  std::priority_queue<Link, std::vector<Link>, Older> open_;
};

class Chainer {
 public:
  Chainer(const std::vector<ClaimCandidate>& candidates, std::span<const SourcePartition> partitions,
          std::vector<int64_t>* next)
      : candidates_(candidates), partitions_(partitions), next_(*next), chains_(partitions.size()) {
    std::map<SourcePartition, size_t> index;
    for (size_t i = 0; i < partitions.size(); ++i) index[partitions[i]] = i;
    for (size_t c = 0; c < candidates.size(); ++c) {
      for (const KeptHeader::Range& range : candidates[c].ranges) {
        const auto found = index.find(range.partition);
        if (found != index.end() && range.first < range.next) chains_[found->second].Add({range.first, range.next, c});
      }
    }
    for (size_t i = 0; i < chains_.size(); ++i) {
      chains_[i].Sort();
      if (next_[i] == kNoPosition && !chains_[i].empty()) next_[i] = chains_[i].begin();
    }
  }

  std::vector<ClaimedRows> Run() {
    std::vector<ClaimedRows> claimed;
    while (true) {
      std::map<size_t, std::vector<std::pair<size_t, Link>>> heads;  // by candidate: partitions where it is next
      for (size_t i = 0; i < chains_.size(); ++i) {
        if (const Link* link = chains_[i].At(next_[i])) heads[link->candidate].emplace_back(i, *link);
      }
      if (heads.empty()) return claimed;
      // Best is a frame that is next in all of its partitions. Where none is, the oldest begins with some.
      auto best = std::find_if(heads.begin(), heads.end(),
                               [this](const auto& head) { return Open(head.first) == head.second.size(); });
      if (best == heads.end()) best = heads.begin();
      ClaimedRows rows{candidates_[best->first].entry, {}};
      for (const auto& [i, link] : best->second) {
        rows.ranges.push_back({partitions_[i], next_[i], link.next});
        next_[i] = link.next;
      }
      claimed.push_back(std::move(rows));
    }
  }

 private:
  // The number of partitions in which the candidate still has rows to feed.
  size_t Open(size_t candidate) const {
    size_t open = 0;
    for (const KeptHeader::Range& range : candidates_[candidate].ranges) {
      const auto found = std::find(partitions_.begin(), partitions_.end(), range.partition);
      const auto i = static_cast<size_t>(found - partitions_.begin());
      open += found != partitions_.end() && range.first < range.next && range.next > next_[i] ? 1 : 0;
    }
    return open;
  }

  const std::vector<ClaimCandidate>& candidates_;
  const std::span<const SourcePartition> partitions_;
  std::vector<int64_t>& next_;
  std::vector<PartitionChain> chains_;  // by partition
};

}  // namespace

std::vector<ClaimedRows> ChainKeptRows(const std::vector<ClaimCandidate>& candidates,
                                       std::span<const SourcePartition> partitions, std::vector<int64_t>* next) {
  return Chainer(candidates, partitions, next).Run();
}

}  // namespace anabranch
