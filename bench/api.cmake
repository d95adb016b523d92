add_executable(api_bench api_bench.cc)
target_link_libraries(api_bench PRIVATE deckwatch_api benchmark::benchmark)
