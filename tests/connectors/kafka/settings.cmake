# Runs a real broker: tests/setup/broker.
target_link_libraries(${name} PRIVATE PkgConfig::RDKAFKA)
set(labels kafka)
