#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/generation.h"
#include "engine/models/control_state.h"
#include "engine/models/model_agent.h"

namespace anabranch {

// The managed models of a run beside the pipeline, as they are at one generation, whatever is deployed meanwhile. Of a
// rollout only the serving version scores; the draws of a bandit are those of that generation. It appends nothing to
// the control log and counts nothing.
class PinnedModels final : public Generations {
 public:
  // What scores as of a number.
  struct Pin {
    uint32_t number = 0;
    uint32_t check = 0;                               // ControlState::Check(number)
    std::map<std::string, GenerationRecord> records;  // by model
    std::map<std::string, uint32_t> numbers;          // by model: its own generation
  };
  // kInvalid: a model of `models` had no generation by then.
  static Result<Pin> PinIn(const ControlState& state, const std::vector<ModelAgent::Model>& models, uint32_t number);

  // The models of `pin` are of one log.
  explicit PinnedModels(Pin pin) : pin_(std::move(pin)) {}
  // Makes every version ready in the nodes; before they are opened. `find` as ModelAgent::Parts. kUnavailable: a
  // version cannot be had; kInvalid: it does not fit a node.
  Status Load(
      const std::vector<ModelAgent::Model>& models,
      const std::function<Result<std::string>(const ModelAgent::Model&, const std::string& digest)>& find) const;

  GenerationId active() const override { return GenerationId(pin_.number); }
  Status Require(int lane, std::span<const CommittedGeneration> generations, const CancelToken& cancel) override;
  uint32_t Check(GenerationId generation) const override { return generation == pin_.number ? pin_.check : 0; }
  void Uses(int /*lane*/, GenerationId /*oldest*/) override {}
  void Switched(const SourcePartition& /*partition*/, const Scoring& /*scoring*/) override {}

 private:
  const Pin pin_;
};

}  // namespace anabranch
