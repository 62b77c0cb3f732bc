target_link_libraries(${name} PRIVATE nlohmann_json::nlohmann_json)
add_dependencies(${name} anabranch)
target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/topologies/cpu_check.cpp)  # in no library: see there
