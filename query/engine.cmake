deckwatch_room(query
  SOURCES
    aggregate.cc
    aggregate_k.cc
    annotations.cc
    binary.cc
    binary_cell.cc
    blocks.cc
    budget.cc
    chunk_layout.cc
    engine.cc
    eval.cc
    eval_functions.cc
    go_math.cc
    histogram_buckets.cc
    histogram_functions.cc
    histogram_hints.cc
    histogram_math.cc
    histogram_quantile.cc
    histogram_rate.cc
    histogram_trim.cc
    info.cc
    instant_functions.cc
    instant_selector.cc
    kahan.cc
    label_functions.cc
    label_sets.cc
    quantile.cc
    query_context.cc
    query_registry.cc
    range_functions_float.cc
    range_functions_histogram.cc
    range_functions_rate.cc
    range_functions_sum.cc
    reach.cc
    result_cache.cc
    sample_tally.cc
    selection.cc
    selector.cc
    selector_needs.cc
    series_hash.cc
    series_samples.cc
    shared_results.cc
    step_vector.cc
  LIBS deckwatch_base deckwatch_query_lang)
# Loops over columns: worth vectorising, which changes no result without -ffast-math.
set_source_files_properties(
  aggregate.cc instant_selector.cc range_functions_float.cc range_functions_rate.cc
  range_functions_sum.cc series_samples.cc
  PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O3>)
