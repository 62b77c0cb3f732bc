#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "topologies/operate/metrics_text.h"

namespace anabranch {

// The series of a scrape, written as they come. Values of labels stand in the order of MetricSpec::labels.
class MetricSamples {
 public:
  // `topology`: the value of the label that comes first; null: none. Above `most` series, samples are only counted.
  MetricSamples(const std::string* topology, size_t most) : topology_(topology), most_(most) {}

  void Begin(const MetricSpec& spec);
  void Add(std::initializer_list<std::string_view> labels, double value);
  void Add(std::initializer_list<std::string_view> labels, int64_t value);
  void AddAlways(std::initializer_list<std::string_view> labels, double value);  // also above `most`
  // Without edges: nothing.
  void Add(std::initializer_list<std::string_view> labels, const HistogramCounts& counts);

  size_t dropped() const { return dropped_; }
  std::string Take() { return std::move(text_); }

 private:
  bool Fits(size_t series);
  void Head();
  std::string LabelText(std::initializer_list<std::string_view> labels) const;
  void Line(std::string_view suffix, const std::string& labels, std::string_view more, double value);

  const std::string* topology_;
  const size_t most_;
  size_t series_ = 0;
  size_t dropped_ = 0;
  const MetricSpec* spec_ = nullptr;
  bool headed_ = false;
  std::string text_;
};

}  // namespace anabranch
