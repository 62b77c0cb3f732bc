#pragma once

#include <string>
#include <vector>

#include "engine/fault.h"
#include "engine/registry.h"

namespace anabranch {

// The edges of a topology and the order in which its nodes can be bound and run.
struct Graph {
  struct Vertex {
    const ConfigValue* entry = nullptr;            // the source's or node's object
    std::vector<size_t> inputs;                    // vertices, as written
    std::vector<const ConfigValue*> input_places;  // the strings that name them
    std::vector<size_t> readers;                   // in file order
    bool source = false;
    bool sink = false;  // its kind ends the graph
    bool sound = true;  // every input was found, none stands in a cycle
  };
  std::vector<Vertex> vertices;  // sources in file order, then nodes in file order
  size_t sources = 0;
  // Nodes in dependency order, ties by place in the file. Nodes in a cycle, or below one, are not in it.
  std::vector<size_t> order;
};

// Reads the edges out of a structurally checked file. Reports unknown references, ids used twice,
// nodes without inputs, cycles (one shortest closed chain per strongly connected component, and every
// self-loop), nodes that reach no sink, and readers of sinks.
Graph CheckGraph(const ConfigValue& root, const Registry& registry, FaultSink& faults);

}  // namespace anabranch
