#include "bench/load/arguments.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace anabranch::bench {

void Die(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::fflush(nullptr);
  std::_Exit(1);  // other threads still run
}

Arguments::Arguments(int argc, char** argv, Known known) : known_(std::move(known)) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.rfind("--", 0) != 0) {
      words_.push_back(word);
    } else if (known_.flags.count(word) != 0) {
      options_[word] = "";
    } else if (known_.options.count(word) == 0) {
      Refuse("unknown option " + word);
    } else if (i + 1 == argc) {
      Refuse(word + " needs a value");
    } else {
      options_[word] = argv[++i];
    }
  }
  if (words_.size() != known_.words) {
    Refuse("takes " + std::to_string(known_.words) + " words, got " + std::to_string(words_.size()));
  }
}

std::string Arguments::Text(const std::string& name) const {
  const auto at = options_.find(name);
  if (at == options_.end()) Refuse(name + " is missing");
  return at->second;
}

std::string Arguments::Text(const std::string& name, const std::string& otherwise) const {
  return Has(name) ? Text(name) : otherwise;
}

int64_t Arguments::Number(const std::string& name, int64_t least) const {
  const std::string text = Text(name);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least) {
    Refuse(name + " is \"" + text + "\", not a whole number of at least " + std::to_string(least));
  }
  return value;
}

int64_t Arguments::Number(const std::string& name, int64_t least, int64_t otherwise) const {
  return Has(name) ? Number(name, least) : otherwise;
}

void Arguments::Refuse(const std::string& why) const {
  std::fprintf(stderr, "%s\n%s\n", why.c_str(), known_.usage.c_str());
  std::exit(2);
}

}  // namespace anabranch::bench
