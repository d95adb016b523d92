deckwatch_test(query_engine_test
  SOURCES
    chunk_layout_test.cc
    engine_histogram_test.cc
    engine_oracle_test.cc
    engine_parts_test.cc
    engine_property_test.cc
    engine_test.cc
    go_math_test.cc
    query_registry_test.cc
    result_cache_test.cc
    naive_evaluator.cc
    selector_needs_test.cc
    random_query.cc
  LIBS deckwatch_query query_test_support)
