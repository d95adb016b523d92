add_library(bench_support STATIC process.cc recorded_pages.cc)
target_include_directories(bench_support PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(bench_support PUBLIC deckwatch_tsdb PRIVATE PkgConfig::ZSTD)

foreach(name tsdb_bench store_bytes_bench store_life_bench)
  add_executable(${name} ${name}.cc)
  target_link_libraries(${name} PRIVATE bench_support)
endforeach()
