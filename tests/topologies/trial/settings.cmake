target_link_libraries(${name} PRIVATE topologies_trial nlohmann_json::nlohmann_json)
