deckwatch_test(scraper_test
  SOURCES manager_test.cc
  LIBS deckwatch_scraper PkgConfig::HTTPLIB OpenSSL::SSL)
