add_executable(query_bench query_bench.cc)
target_include_directories(query_bench PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(query_bench PRIVATE deckwatch_query benchmark::benchmark)
