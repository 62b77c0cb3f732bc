target_link_libraries(${name} PRIVATE topologies_operate test_conformance nlohmann_json::nlohmann_json PkgConfig::SQLITE)
