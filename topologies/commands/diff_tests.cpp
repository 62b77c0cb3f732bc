#include <ostream>
#include <utility>

#include "engine/plan_graph.h"
#include "topologies/commands/diff_records.h"
#include "topologies/commands/test_view.h"
#include "topologies/trial/test_file.h"

namespace anabranch {
namespace {

class TestRecords : public DiffRecords {
 public:
  TestRecords(std::unique_ptr<TestFile> file, const Plan& plan) : file_(std::move(file)), plan_(plan) {}

  std::string what() const override { return "the tests in " + file_->file(); }

  Status ForEachPart(CancelToken& cancel, const Visit& visit) override {
    for (const LoadedTest& loaded : file_->tests()) {
      if (cancel.draining()) return {Code::kCancelled, "stopped"};
      const TestCase& test = *loaded.test;
      DiffPart part{test.records, test.options.wall_ms};
      for (TrialRecord& record : part.records) {
        const std::string& source = test.plan->sources[record.source].id;
        record.source = FindStage(plan_, source);
        if (record.source == kNoStage || record.source >= plan_.sources.size()) {
          return {Code::kInvalid, file_->file() + ": case \"" + loaded.name + "\" gives records to source \"" + source +
                                      "\", which the first topology does not have"};
        }
        record.partition.topic = loaded.name + "/" + source;  // cases count their records alike
      }
      RETURN_IF_ERROR(visit(part));
    }
    return Status::Ok();
  }

 private:
  const std::unique_ptr<TestFile> file_;
  const Plan& plan_;
};

}  // namespace

std::unique_ptr<DiffRecords> OpenTestRecords(const std::string& file, const DiffArgs& args, const DiffSide& before,
                                             CommandIo& io) {
  CheckOptions options;
  options.allow_paths = args.allow_paths;
  auto tests = std::make_unique<TestFile>(file, io.registry, options);
  if (!tests->ok()) {
    RenderTestFile(*tests, io.err_colour, io.err);
    return nullptr;
  }
  return std::make_unique<TestRecords>(std::move(tests), before.plan);
}

}  // namespace anabranch
