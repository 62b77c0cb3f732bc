#include "topologies/operate/metrics_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/printable.h"
#include "topologies/operate/metric_samples.h"

namespace anabranch {
namespace {

void AppendValue(double value, std::string* text) {
  if (std::isnan(value)) {
    *text += "NaN";
  } else if (std::isinf(value)) {
    *text += value > 0 ? "+Inf" : "-Inf";
  } else {
    const bool plain = value == 0 || (std::abs(value) >= 1e-6 && std::abs(value) < 1e18);
    const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
    char digits[64];
    *text += std::string_view(digits, std::to_chars(digits, digits + sizeof digits, value, format).ptr);
  }
}

// Text from outside, such as a file's name, may be no UTF-8.
void AppendLabelValue(std::string_view value, std::string* text) {
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  const std::string safe = plain ? std::string() : Printable(value);
  for (const char c : plain ? value : std::string_view(safe)) {
    if (c == '\\' || c == '"') *text += '\\';
    *text += c;
  }
}

}  // namespace

void MetricSamples::Begin(const MetricSpec& spec) {
  spec_ = &spec;
  headed_ = false;
}

bool MetricSamples::Fits(size_t series) {
  if (series_ + series > most_) {
    dropped_ += series;
    return false;
  }
  series_ += series;
  return true;
}

void MetricSamples::Head() {
  if (headed_) return;
  headed_ = true;
  text_ +=
      std::string("# HELP ") + spec_->name + " " + spec_->help + "\n# TYPE " + spec_->name + " " + spec_->type + "\n";
}

std::string MetricSamples::LabelText(std::initializer_list<std::string_view> labels) const {
  std::string text;
  const auto add = [&text](std::string_view name, std::string_view value) {
    if (!text.empty()) text += ',';
    text += name;
    text += "=\"";
    AppendLabelValue(value, &text);
    text += '"';
  };
  if (topology_ != nullptr) add("topology", *topology_);
  const char* const* name = spec_->labels.data();
  for (const std::string_view value : labels) add(*name++, value);
  return text;
}

void MetricSamples::Line(std::string_view suffix, const std::string& labels, std::string_view more, double value) {
  text_ += spec_->name;
  text_ += suffix;
  if (!labels.empty() || !more.empty()) {
    text_ += '{';
    text_ += labels;
    text_ += more;
    text_ += '}';
  }
  text_ += ' ';
  AppendValue(value, &text_);
  text_ += '\n';
}

void MetricSamples::Add(std::initializer_list<std::string_view> labels, double value) {
  if (Fits(1)) AddAlways(labels, value);
}

void MetricSamples::AddAlways(std::initializer_list<std::string_view> labels, double value) {
  Head();
  Line("", LabelText(labels), "", value);
}

void MetricSamples::Add(std::initializer_list<std::string_view> labels, int64_t value) {
  Add(labels, static_cast<double>(value));
}

void MetricSamples::Add(std::initializer_list<std::string_view> labels, const HistogramCounts& counts) {
  if (counts.edges.empty() || !Fits(counts.edges.size() + 3)) return;
  Head();
  const std::string text = LabelText(labels);
  int64_t below = 0;
  for (size_t i = 0; i <= counts.edges.size(); ++i) {
    below += counts.buckets[i];
    std::string edge = text.empty() ? "le=\"" : ",le=\"";
    if (i < counts.edges.size())
      AppendValue(counts.edges[i], &edge);
    else
      edge += "+Inf";
    Line("_bucket", text, edge + '"', static_cast<double>(below));
  }
  Line("_sum", text, "", counts.sum);
  Line("_count", text, "", static_cast<double>(below));
}

std::vector<std::string> LabelsOf(const MetricSpec& spec) {
  std::vector<std::string> labels(spec.labels.begin(), spec.labels.end());
  for (const MetricSpec& of_process : ProcessMetricCatalogue()) {
    if (&of_process == &spec) return labels;
  }
  labels.insert(labels.begin(), "topology");
  return labels;
}

const MetricSpec* FindMetric(const std::string& name) {
  for (const std::vector<MetricSpec>* catalogue : {&MetricCatalogue(), &ProcessMetricCatalogue()}) {
    for (const MetricSpec& spec : *catalogue) {
      if (name == spec.name) return &spec;
    }
  }
  return nullptr;
}

std::string MetricsText(const LivePipeline::Look& look, const ProcessMeasures& process) {
  const MetricInput input{look, process};
  const auto write = [&input](const std::vector<MetricSpec>& catalogue, MetricSamples* samples) {
    for (const MetricSpec& spec : catalogue) {
      samples->Begin(spec);
      spec.collect(input, *samples);
    }
  };
  std::string text;
  if (look.checked != nullptr && look.checked->ok()) {
    MetricSamples samples(&look.checked->plan->name, kMostSeries);
    write(MetricCatalogue(), &samples);
    text = samples.Take();
  }
  MetricSamples of_process(nullptr, kMostSeries);
  write(ProcessMetricCatalogue(), &of_process);
  return text + of_process.Take();
}

}  // namespace anabranch
