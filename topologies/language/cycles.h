#pragma once

#include <cstddef>
#include <vector>

namespace anabranch {

// `edges[v]` = the vertices that v's edges lead to. Returns closed chains, each without its repeated
// first vertex and beginning with its lowest one: every self-loop, and one shortest chain of two or more
// vertices per strongly connected component. In order of first vertex.
std::vector<std::vector<size_t>> FindCycles(const std::vector<std::vector<size_t>>& edges);

}  // namespace anabranch
