deckwatch_test(query_lang_test
  SOURCES lang_parser_test.cc lang_tree_test.cc
  LIBS deckwatch_query_lang)

deckwatch_fuzzer(query_parser_fuzz SOURCES lang_parser_fuzz.cc LIBS deckwatch_query_lang)
