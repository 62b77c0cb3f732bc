#include "bench/load/judge.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "bench/load/arguments.h"

namespace anabranch::bench {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr double kTolerance = 1e-5;

bool Near(double value, double wanted) {
  return std::abs(value - wanted) <= kTolerance * std::max(1.0, std::abs(wanted));  // false for NaN
}

// Numbers with one character between them; a trailing one is allowed.
std::vector<float> FloatsOf(std::string_view text) {
  std::vector<float> values;
  for (const char* at = text.data(); at < text.data() + text.size();) {
    float value = 0;
    const auto [end, error] = std::from_chars(at, text.data() + text.size(), value);
    if (error != std::errc()) return {};
    values.push_back(value);
    at = end + 1;
  }
  return values;
}

std::string Prediction(element found, const std::vector<float>& wanted) {
  array list;
  if (found.get(list) != simdjson::SUCCESS) return "prediction is no list";
  if (list.size() != wanted.size()) return "prediction has " + std::to_string(list.size()) + " numbers";
  size_t at = 0;
  for (const element item : list) {
    double value = 0;
    if (item.get(value) != simdjson::SUCCESS || !Near(value, wanted[at])) {
      return "prediction[" + std::to_string(at) + "] is " + std::string(simdjson::minify(item)) + ", not " +
             std::to_string(wanted[at]);
    }
    ++at;
  }
  return "";
}

class BytesJudge final : public Judge {
 public:
  explicit BytesJudge(const Lines& records) : records_(records) {}
  std::string Fault(int64_t record, std::string_view value) override {
    return value == records_.Of(record) ? "" : "the bytes are not the record's";
  }

 private:
  const Lines& records_;
};

// A JSON object against the scores of its record.
class ObjectJudge : public Judge {
 public:
  ObjectJudge(const Lines& records, const Lines& scores) {
    if (scores.size() != records.size()) {
      Die("there are " + std::to_string(records.size()) + " records, and scores for " + std::to_string(scores.size()));
    }
    for (size_t i = 0; i < scores.size(); ++i) {
      scores_.push_back(FloatsOf(scores.Of(static_cast<int64_t>(i))));
      if (scores_.back().empty()) Die("line " + std::to_string(i + 1) + " of the scores is no list of numbers");
    }
  }
  std::string Fault(int64_t record, std::string_view value) final {
    object result;
    if (parser_.parse(value.data(), value.size()).get(result) != simdjson::SUCCESS) return "no JSON object";
    const size_t line = static_cast<size_t>(record) % scores_.size();
    return FaultOf(result, line, scores_[line]);
  }

 protected:
  virtual std::string FaultOf(object result, size_t line, const std::vector<float>& scores) = 0;

 private:
  simdjson::dom::parser parser_;
  std::vector<std::vector<float>> scores_;
};

class TabularJudge final : public ObjectJudge {
 public:
  TabularJudge(const Lines& records, const Lines& scores) : ObjectJudge(records, scores) {
    simdjson::dom::parser parser;
    for (size_t i = 0; i < records.size(); ++i) {
      std::string_view id;
      const std::string_view text = records.Of(static_cast<int64_t>(i));
      if (parser.parse(text.data(), text.size())["id"].get(id) != simdjson::SUCCESS) {
        Die("line " + std::to_string(i + 1) + " of the records has no id");
      }
      ids_.emplace_back(id);
    }
  }

 private:
  std::string FaultOf(object result, size_t line, const std::vector<float>& scores) override {
    std::string_view id;
    double score = 0;
    if (result.size() != 2) return "not the two fields id and score";
    if (result["id"].get(id) != simdjson::SUCCESS) return "id is no string";
    if (id != ids_[line]) return "id is " + std::string(id) + ", not " + ids_[line];
    if (result["score"].get(score) != simdjson::SUCCESS) return "score is no number";
    if (!Near(score, scores[0])) return "score is " + std::to_string(score) + ", not " + std::to_string(scores[0]);
    return "";
  }
  std::vector<std::string> ids_;
};

class PredictionJudge final : public ObjectJudge {
 public:
  using ObjectJudge::ObjectJudge;

 private:
  std::string FaultOf(object result, size_t, const std::vector<float>& scores) override {
    element prediction;
    if (result.size() != 1 || result["prediction"].get(prediction) != simdjson::SUCCESS) {
      return "not the one field prediction";
    }
    return Prediction(prediction, scores);
  }
};

class EchoJudge final : public ObjectJudge {
 public:
  EchoJudge(const Lines& records, const Lines& scores) : ObjectJudge(records, scores) {
    simdjson::dom::parser parser;
    for (size_t i = 0; i < records.size(); ++i) {
      const std::string_view text = records.Of(static_cast<int64_t>(i));
      object record;
      std::string_view points;
      Echo echo;
      if (parser.parse(text.data(), text.size()).get(record) != simdjson::SUCCESS ||
          record["creationTimestamp"].get(echo.created) != simdjson::SUCCESS ||
          record["dataPointSz1"].get(echo.size1) != simdjson::SUCCESS ||
          record["dataPointSz2"].get(echo.size2) != simdjson::SUCCESS ||
          record["dataPoint"].get(points) != simdjson::SUCCESS) {
        Die("line " + std::to_string(i + 1) + " of the records is not of this workload");
      }
      echo.points = points;
      echo.values = FloatsOf(points);
      echoes_.push_back(std::move(echo));
    }
  }

 private:
  struct Echo {
    int64_t created = 0, size1 = 0, size2 = 0;
    std::string points;
    std::vector<float> values;
  };
  std::string FaultOf(object result, size_t line, const std::vector<float>& scores) override {
    const Echo& echo = echoes_[line];
    int64_t created = 0, size1 = 0, size2 = 0;
    std::string_view points;
    element prediction;
    if (result.size() != 5 || result["creationTimestamp"].get(created) != simdjson::SUCCESS ||
        result["dataPointSz1"].get(size1) != simdjson::SUCCESS ||
        result["dataPointSz2"].get(size2) != simdjson::SUCCESS ||
        result["dataPoint"].get(points) != simdjson::SUCCESS ||
        result["prediction"].get(prediction) != simdjson::SUCCESS) {
      return "not the record's five fields";
    }
    if (created != echo.created || size1 != echo.size1 || size2 != echo.size2) return "a number is not the record's";
    // A system that writes its floats anew may write them otherwise.
    if (points != echo.points && FloatsOf(points) != echo.values) return "dataPoint is not the record's";
    return Prediction(prediction, scores);
  }
  std::vector<Echo> echoes_;
};

}  // namespace

std::unique_ptr<Judge> MakeJudge(const std::string& workload, const Lines& records, const std::string& scores_path) {
  if (workload == "relay") return std::make_unique<BytesJudge>(records);
  if (workload != "tabular" && workload != "ffnn" && workload != "ffnn_echo") return nullptr;
  const Lines scores(scores_path);
  if (workload == "tabular") return std::make_unique<TabularJudge>(records, scores);
  if (workload == "ffnn") return std::make_unique<PredictionJudge>(records, scores);
  return std::make_unique<EchoJudge>(records, scores);
}

}  // namespace anabranch::bench
