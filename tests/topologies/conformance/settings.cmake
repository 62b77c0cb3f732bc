target_sources(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/topologies/cases/case_files.cpp)
target_link_libraries(${name} PRIVATE test_conformance)
