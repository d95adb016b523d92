# A store in memory, for all tests that evaluate.
add_library(query_test_support STATIC memory_storage.cc)
target_include_directories(query_test_support PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(query_test_support PUBLIC deckwatch_query)

deckwatch_test(query_promqltest_test
  SOURCES memory_storage_test.cc promqltest_test.cc series_notation_test.cc
  LIBS deckwatch_query_promqltest query_test_support)

deckwatch_fuzzer(query_script_fuzz SOURCES script_fuzz.cc LIBS deckwatch_query_promqltest)
