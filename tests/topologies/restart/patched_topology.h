#pragma once

#include <memory>
#include <string>

#include "engine/plan.h"

namespace anabranch {

// The payment scoring of tests/cases/valid/topology_page, which every case here starts from.
std::string PageTopology();
// `text` with a JSON merge patch (RFC 7386: null takes a member out) laid over it; comments are dropped.
std::string Patched(const std::string& text, const std::string& patch);
// Its plan, with the program's own kinds and connectors, as if it lay beside the page's models. A fault fails the test.
std::shared_ptr<const Plan> PlanOf(const std::string& text);

}  // namespace anabranch
