add_library(query_test_support STATIC memory_storage.cc)
target_include_directories(query_test_support PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(query_test_support PUBLIC deckwatch_base)

deckwatch_test(query_lang_test
  SOURCES lang_memory_storage_test.cc lang_parser_test.cc lang_tree_test.cc
  LIBS deckwatch_query_lang query_test_support)

deckwatch_fuzzer(query_parser_fuzz SOURCES lang_parser_fuzz.cc LIBS deckwatch_query_lang)
