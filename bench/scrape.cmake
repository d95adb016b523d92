add_executable(scrape_bench scrape_bench.cc)
target_link_libraries(scrape_bench PRIVATE deckwatch_scraper benchmark::benchmark)
