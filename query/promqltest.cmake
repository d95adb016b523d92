deckwatch_room(query_promqltest
  SOURCES
    promqltest.cc
    promqltest_compare.cc
    promqltest_load.cc
    promqltest_script.cc
    series_notation.cc
  LIBS deckwatch_query deckwatch_query_lang)
