add_executable(tsdb_bench tsdb_bench.cc)
target_include_directories(tsdb_bench PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(tsdb_bench PRIVATE deckwatch_tsdb PkgConfig::ZSTD)
