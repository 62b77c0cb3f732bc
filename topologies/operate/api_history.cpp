#include "topologies/operate/api_history.h"

#include <functional>
#include <memory>

#include "engine/clock.h"
#include "topologies/operate/api.h"
#include "topologies/operate/history.h"

namespace anabranch {
namespace {

constexpr int64_t kMostRunsAsked = 1000;
constexpr int64_t kUsualRuns = 200;
constexpr int64_t kUsualSeriesMs = 3'600'000;

HttpResponse AnswerFromHistory(const std::string& state_dir,
                               const std::function<Result<std::string>(HistoryReader&)>& ask) {
  const Result<std::unique_ptr<HistoryReader>> reader = HistoryReader::Open(state_dir);
  const Result<std::string> answer = reader.ok() ? ask(**reader) : reader.status();
  if (answer.ok()) return JsonResponse(*answer);
  const Status& status = answer.status();
  if (status.code() == Code::kInvalid) return ErrorResponse(404, "not_found", status.message(), "");
  return ErrorResponse(503, "unavailable", status.message(), "ask again; the pipeline itself is not affected");
}

}  // namespace

HttpResponse RunsFromHistory(const std::string& state_dir, const HttpRequest& request) {
  const int64_t before = QueryNumber(request, "before", 0, INT64_MAX);
  const int64_t limit = QueryNumber(request, "limit", kUsualRuns, kMostRunsAsked);
  return AnswerFromHistory(state_dir,
                           [&](HistoryReader& reader) { return reader.Runs(before, static_cast<int>(limit)); });
}

HttpResponse RunFromHistory(const std::string& state_dir, const std::string& id) {
  return AnswerFromHistory(state_dir, [&](HistoryReader& reader) { return reader.Run(id); });
}

HttpResponse SeriesFromHistory(const std::string& state_dir, const HttpRequest& request) {
  const int64_t from = QueryNumber(request, "from", Clock::Real().WallMs() - kUsualSeriesMs, INT64_MAX);
  return AnswerFromHistory(state_dir, [&](HistoryReader& reader) {
    const std::string metric = QueryText(request, "metric");
    return reader.Series(QueryText(request, "stage"), metric.empty() ? "rows" : metric, from);
  });
}

void AddHistoryRoutes(const ApiContext& context, Routes* routes) {
  const std::string& folder = context.live.identity().state_dir;
  routes->push_back({"GET", "/api/v1/runs", Needs::kNothing, "The newest runs, and how each stage fared in them.",
                     [&folder](const ApiRequest& request) { return RunsFromHistory(folder, request.http); }});
  routes->push_back(
      {"GET", "/api/v1/runs/{id}", Needs::kNothing, "One run: counts, positions, quarters of an hour.",
       [&folder](const ApiRequest& request) { return RunFromHistory(folder, request.parameters.at("id")); }});
  routes->push_back({"GET", "/api/v1/series", Needs::kNothing, "A measure of a stage by minute, or by hour.",
                     [&folder](const ApiRequest& request) { return SeriesFromHistory(folder, request.http); }});
}

}  // namespace anabranch
