#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>

#include "engine/cancel.h"
#include "engine/clock.h"
#include "engine/keep/kept_store.h"
#include "engine/plan.h"
#include "engine/run/counters.h"
#include "engine/run/crew.h"
#include "engine/run/ledger.h"
#include "engine/run/refused_rows.h"
#include "engine/run/run_measures.h"
#include "engine/run/run_observer.h"

namespace anabranch {

class Generations;

// What all lanes of one run share. Outlives them. Everything but the three counts at the end is set before a lane runs.
struct RunShared {
  const Plan& plan;
  const Clock& clock;
  Counters& counters;
  CancelToken& stop;  // raised from outside, or by a lane that failed
  RefusedRows& refused;
  RunMeasures& measures;
  std::function<void(const std::string&)> warn = [](const std::string&) {};
  std::function<void(RecordBatch&)> before = {};              // RunObserver::before; may be empty
  std::function<void(const CommitSeen&)> committed = {};      // RunObserver::committed; may be empty
  std::function<void(const RecordBatch&)> show = {};          // RunObserver::batch; may be empty
  std::function<void(const RecordBatch&)> show_stopped = {};  // RunObserver::stopped; may be empty
  Generations* generations = nullptr;                         // RunOptions::generations
  Crew* crew = nullptr;                                       // null: every batch is computed on its lane
  Ledger* ledger = nullptr;                                   // null: no witness of positions is kept
  KeptStore* kept = nullptr;                                  // null: nothing is kept, and nothing was
  RestoreRules rules = {};                                    // how kept rows are taken up
  bool accept_loss = false;  // lost positions: continue at the first record that can be read
  int lanes = 1;
  size_t lane_bytes = 0;  // encoded bytes that a lane may hold
  std::atomic<int> lanes_fed{0};
  std::atomic<int> lanes_at_end{0};
};

}  // namespace anabranch
