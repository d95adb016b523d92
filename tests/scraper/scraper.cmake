deckwatch_test(scraper_test
  SOURCES manager_test.cc page_test.cc text_parser_test.cc
  LIBS deckwatch_scraper PkgConfig::HTTPLIB OpenSSL::SSL)
