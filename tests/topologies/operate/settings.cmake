target_link_libraries(${name} PRIVATE topologies_operate nlohmann_json::nlohmann_json)
