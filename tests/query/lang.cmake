deckwatch_test(query_lang_test
  SOURCES lang_parser_test.cc
  LIBS deckwatch_query_lang)
