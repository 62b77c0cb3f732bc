#include "engine/models/load_attempts.h"

#include <cstdio>
#include <fstream>
#include <map>

namespace anabranch {
namespace {

// By digest: how many loads began and did not end.
std::map<std::string, int> ReadAttempts(const std::string& file) {
  std::map<std::string, int> begun;
  std::ifstream in(file);
  std::string digest;
  for (int count = 0; in >> digest >> count;) begun[digest] = count;
  return begun;
}

// Another file first: a process that dies meanwhile leaves one of the two.
void WriteAttempts(const std::string& file, const std::map<std::string, int>& begun) {
  if (begun.empty()) {
    (void)std::remove(file.c_str());
    return;
  }
  const std::string made = file + ".new";
  {
    std::ofstream out(made);
    for (const auto& [digest, count] : begun) out << digest << ' ' << count << '\n';
  }
  (void)std::rename(made.c_str(), file.c_str());
}

}  // namespace

int LoadAttempts::Begin(const std::string& digest) const {
  if (file_.empty()) return 0;
  std::map<std::string, int> begun = ReadAttempts(file_);
  const int died = begun[digest]++;
  WriteAttempts(file_, begun);
  return died;
}

void LoadAttempts::End(const std::string& digest) const {
  if (file_.empty()) return;
  std::map<std::string, int> begun = ReadAttempts(file_);
  if (begun.erase(digest) != 0) WriteAttempts(file_, begun);
}

}  // namespace anabranch
