#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "engine/cancel.h"
#include "engine/delivery.h"
#include "engine/ids.h"

namespace anabranch {

class ControlView;
class StateStore;

// What a lane gives to the sources and committers that it opens. It outlives them.
struct LaneContext {
  std::string topology;  // name
  std::string instance = "0";
  int lane = 0;
  int lanes = 1;
  Delivery delivery = Delivery::kExactlyOnce;
  bool once = false;  // the input ends at what exists now
  std::string source_id;
  std::string state_dir;
  std::string make_command;                    // RunOptions::make_command
  size_t read_ahead_bytes = size_t{64} << 20;  // what a source may fetch before Poll asks for it
  SourceTable* partitions = nullptr;
  StateStore* store = nullptr;
  ControlView* control = nullptr;  // for rewards; null: none of the targets takes any
  CancelToken* cancel = nullptr;
  std::function<void(const std::string&)> warn;  // one line for the operator's log
};

}  // namespace anabranch
