deckwatch_room(scraper
  SOURCES
    config.cc
    text_parser.cc
  LIBS deckwatch_base
  PRIVATE_LIBS PkgConfig::CURL)
if(TARGET deckwatch_discovery)
  target_link_libraries(deckwatch_scraper PUBLIC deckwatch_discovery)
endif()
