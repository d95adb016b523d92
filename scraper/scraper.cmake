deckwatch_room(scraper
  SOURCES
    config.cc
    discovery_hub.cc
    failure_log.cc
    fetcher.cc
    manager.cc
    metadata_pool.cc
    own_metrics.cc
    page.cc
    pool.cc
    series_labels.cc
    target.cc
    target_writer.cc
    text_parser.cc
  LIBS deckwatch_base
  PRIVATE_LIBS PkgConfig::CURL)
if(TARGET deckwatch_discovery)
  target_link_libraries(deckwatch_scraper PUBLIC deckwatch_discovery)
endif()
