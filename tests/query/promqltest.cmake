deckwatch_test(query_promqltest_test
  SOURCES promqltest_test.cc series_notation_test.cc
  LIBS deckwatch_query_promqltest query_test_support)
