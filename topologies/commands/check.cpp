#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <ostream>

#include "engine/printable.h"
#include "topologies/commands/command.h"
#include "topologies/commands/json_text.h"
#include "topologies/language/render.h"
#include "topologies/language/secrets.h"

namespace anabranch {
namespace {

constexpr std::streamsize kMaxExcerptBytes = 16 << 20;

struct CheckedFile {
  std::string file;
  CheckedTopology checked;
};

std::string FaultJson(const Fault& fault) {
  JsonObject json;
  json.AddText("code", FaultName(fault.code));
  json.AddText("severity", fault.warning ? "warning" : "error");
  json.AddText("message", fault.message);
  json.AddText("file", fault.file);
  json.AddNumber("line", fault.place.line);
  json.AddNumber("column", fault.place.column);
  json.AddText("pointer", fault.pointer);
  if (!fault.node.empty()) json.AddText("node", fault.node);
  if (!fault.hint.empty()) json.AddText("hint", fault.hint);
  return json.text();
}

void PrintJson(const std::vector<CheckedFile>& files, std::ostream& out) {
  bool ok = std::all_of(files.begin(), files.end(), [](const CheckedFile& file) { return file.checked.ok(); });
  out << "{\"ok\": " << (ok ? "true" : "false") << ", \"faults\": [";
  const char* separator = "\n  ";
  for (const CheckedFile& file : files) {
    for (const Fault& fault : file.checked.faults) {
      out << separator << FaultJson(fault);
      separator = ",\n  ";
    }
  }
  out << (*separator == ',' ? "\n]}\n" : "]}\n");
}

// Workflow commands need these characters as %XX; a property's value also its separators.
std::string GithubText(const std::string& text, bool property) {
  static const char kHex[] = "0123456789ABCDEF";
  std::string escaped;
  for (char c : text) {
    if (c == '%' || c == '\x7f' || static_cast<unsigned char>(c) < 0x20 || (property && (c == ':' || c == ','))) {
      escaped += {'%', kHex[static_cast<unsigned char>(c) >> 4], kHex[c & 15]};
    } else {
      escaped += c;
    }
  }
  return escaped;
}

void PrintGithub(const std::vector<CheckedFile>& files, std::ostream& out) {
  for (const CheckedFile& file : files) {
    for (const Fault& fault : file.checked.faults) {
      const std::string text = Printable(fault.hint.empty() ? fault.message : fault.message + " (" + fault.hint + ")");
      out << (fault.warning ? "::warning" : "::error") << " file=" << GithubText(fault.file, true)
          << ",line=" << fault.place.line << ",col=" << fault.place.column << ",title=" << FaultName(fault.code)
          << "::" << GithubText(text, false) << "\n";
    }
  }
}

std::string Counted(size_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

void PrintText(const std::vector<CheckedFile>& files, CommandIo& io) {
  for (const CheckedFile& file : files) {
    RenderFaults(file.checked, file.file, io.out_colour, io.out);
    if (!file.checked.ok()) continue;
    const Plan& plan = *file.checked.plan;
    size_t models = plan.models.empty() ? 0 : 1 + std::count(plan.models.begin(), plan.models.end(), ',');
    io.out << "ok: " << plan.name << " (" << Counted(plan.nodes.size(), "node") << ", " << Counted(models, "model")
           << ", " << (plan.delivery == Delivery::kExactlyOnce ? "exactly_once" : "at_least_once") << ")\n";
  }
}

std::string ReadForExcerpt(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  stream.seekg(0, std::ios::end);
  std::streamsize size = stream.tellg();
  if (!stream || size < 0 || size > kMaxExcerptBytes) return {};
  stream.seekg(0);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

}  // namespace

std::string CountFaults(const std::vector<Fault>& faults) {
  size_t warnings = std::count_if(faults.begin(), faults.end(), [](const Fault& fault) { return fault.warning; });
  return Counted(faults.size() - warnings, "error") + ", " + Counted(warnings, "warning");
}

void RenderFaults(const CheckedTopology& checked, const std::string& file, bool colour, std::ostream& out) {
  if (checked.faults.empty()) return;
  std::string text = checked.topology ? checked.topology->text : ReadForExcerpt(file);
  const std::vector<Place> secrets = SecretPlaces(checked.topology.get(), text);
  for (const Fault& fault : checked.faults) out << RenderText(fault, text, colour, secrets);
}

CheckedTopology CheckForCommand(const std::string& file, const std::vector<std::string>& allow_paths, CommandIo& io) {
  CheckOptions options;
  options.allow_paths = allow_paths;
  CheckedTopology checked = CheckTopology(file, io.registry, options);
  RenderFaults(checked, file, io.err_colour, io.err);
  if (!checked.ok()) io.err << CountFaults(checked.faults) << "\n";
  return checked;
}

int CommandCheck(const CheckArgs& args, CommandIo& io) {
  auto start = std::chrono::steady_clock::now();
  CheckOptions options;
  options.allow_paths = args.allow_paths;
  std::vector<CheckedFile> files;
  std::vector<Fault> all;
  bool ok = true;
  for (const std::string& file : args.files) {
    files.push_back({file, CheckTopology(file, io.registry, options)});
    const CheckedTopology& checked = files.back().checked;
    ok = ok && checked.ok();
    all.insert(all.end(), checked.faults.begin(), checked.faults.end());
  }
  if (args.format == "json") {
    PrintJson(files, io.out);
  } else if (args.format == "github") {
    PrintGithub(files, io.out);
  } else {
    PrintText(files, io);
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
    io.out.flush();
    io.err << CountFaults(all) << " in " << ms << " ms\n";
  }
  return ok ? kExitOk : kExitFaulty;
}

}  // namespace anabranch
