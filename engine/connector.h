#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/cancel.h"
#include "engine/committer.h"
#include "engine/config.h"
#include "engine/control_program.h"
#include "engine/fault.h"
#include "engine/ids.h"
#include "engine/library.h"
#include "engine/node.h"
#include "engine/outside_need.h"
#include "engine/outside_thing.h"
#include "engine/source.h"
#include "engine/spec.h"
#include "engine/status.h"
#include "engine/target.h"

namespace anabranch {

struct LaneContext;

// An outside system that `doctor` asks for a sign of life; exactly one of `connection` and `address` is set.
struct Endpoint {
  std::string name;                         // of the connection in the topology; empty with an address
  const ConfigValue* connection = nullptr;  // the object under the connector's name, checked
  std::string address;                      // given on the command line: "host:9092,host:9093"
};

// An outside system: one folder under connectors/. Lives as long as the registry.
class Connector {
 public:
  virtual ~Connector() = default;

  struct Spec {
    std::string name;  // a noun
    std::string summary;
    std::string about;
    std::vector<FieldSpec> source;      // fields inside {"NAME": {…}} of a source; empty = no source
    std::vector<FieldSpec> target;      // fields inside "to": {"NAME": {…}}; empty = no target
    std::vector<FieldSpec> connection;  // fields of a connection; empty = it needs no connection
    std::vector<FieldSpec> control;     // fields inside "control": {"NAME": {…}}; empty = it holds no control log
    std::string source_example, target_example;  // JSON
  };
  virtual const Spec& spec() const = 0;

  // `at` is the object under the connector's name; its structure is already checked. Null when faulty.
  virtual std::shared_ptr<const SourceProgram> BindSource(const ConfigValue& at, const std::string& source_id,
                                                          BindServices& services, FaultSink& faults) const = 0;
  virtual std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue& at, const TargetFields& fields,
                                                          BindServices& services, FaultSink& faults) const = 0;
  // Where dead letters go: the same targets, written with the record's own key, value and headers.
  // `at` null = the default of this connector for `source` (topic NAME.dead; dead_letters.jsonl).
  virtual std::shared_ptr<const TargetProgram> BindDeadLetters(const ConfigValue* at, const SourceProgram* source,
                                                               const std::string& topology, BindServices& services,
                                                               FaultSink& faults) const = 0;
  // Reads back the rows of `dead_letters`, a target of BindDeadLetters(): whole records, one lane, from the
  // position given to the end as it is at Assign(). Joins no group, so that it may be read beside a running pipeline.
  // `state_dir` is where a default of the target lies; LaneContext::topology names its positions.
  virtual Result<std::shared_ptr<const SourceProgram>> BindDeadLetterSource(const TargetProgram& dead_letters,
                                                                            const std::string& /*state_dir*/) const {
    return Status(Code::kInvalid, dead_letters.Describe() + " cannot be read back");
  }
  // Where the instances of a topology agree on the generations of its models.
  virtual std::shared_ptr<const ControlProgram> BindControl(const ConfigValue& /*at*/, BindServices& /*services*/,
                                                            FaultSink& /*faults*/) const {
    return nullptr;
  }
  // Checks of a connection that its fields do not express (an allow-list of properties).
  virtual void CheckConnection(const ConfigValue& /*at*/, FaultSink& /*faults*/) const {}

  // Whether what `needs`, bound by any connector, have to find outside exists. The text of kUnavailable names all that
  // is missing, who needs it, and the commands that make it, first `make_command` (MakeOutside() for the same needs;
  // empty: none is known); or why the outside cannot be asked. Every wait is bounded.
  virtual Status CheckOutside(std::span<const OutsideNeed> /*needs*/, const std::string& /*make_command*/,
                              const CancelToken* /*cancel*/) const {
    return Status::Ok();
  }
  // The things that CheckOutside() looks for, each once, with what is wrong with those that exist: by itself, or for
  // `wishes`. In the order of the needs. Changes nothing. kUnavailable as above.
  virtual Result<std::vector<OutsideThing>> ListOutside(std::span<const OutsideNeed> /*needs*/,
                                                        const OutsideWishes& /*wishes*/,
                                                        const CancelToken* /*cancel*/) const {
    return std::vector<OutsideThing>();
  }
  // Makes those that do not exist, and changes none that exists. Asks first whether all can be made; if not, it makes
  // none. Returns the list as it is then, `made` set; a thing that could not be made has a problem that says why. What
  // was made and has no problem can be used at once. kUnavailable: what was made is not known; call again.
  virtual Result<std::vector<OutsideThing>> MakeOutside(std::span<const OutsideNeed> needs, const OutsideWishes& wishes,
                                                        const CancelToken* cancel) const {
    return ListOutside(needs, wishes, cancel);
  }

  // The libraries that this connector uses, in a fixed order.
  virtual std::vector<Library> Libraries() const { return {}; }
  // Whether Probe() can ask an endpoint of this connector.
  virtual bool CanProbe() const { return false; }
  // Asks `endpoint` for a sign of life, for at most `wait_ms`; joins no group and writes nothing. Returns one line of
  // what was found ("3 brokers: …"). kUnavailable: the cause, as far as it is known; kInvalid: settings that contradict
  // each other.
  virtual Result<std::string> Probe(const Endpoint& /*endpoint*/, int /*wait_ms*/) const {
    return Status(Code::kInvalid, "the connector \"" + spec().name + "\" has nothing to connect to");
  }

  // Opens the committer of one commit unit for one lane. `targets` are the unit's targets with their ids; `source` is
  // the lane's source (a commit may carry its positions).
  virtual Result<std::unique_ptr<Committer>> OpenCommitter(
      const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets,
      const SourceProgram& source_program, Source& source) const = 0;
};

}  // namespace anabranch
