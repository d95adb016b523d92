deckwatch_test(scraper_test
  SOURCES config_test.cc manager_test.cc page_test.cc target_test.cc target_writer_test.cc text_parser_test.cc
  LIBS deckwatch_scraper PkgConfig::HTTPLIB OpenSSL::SSL)
deckwatch_fuzzer(text_parser_fuzz
  SOURCES text_parser_fuzz.cc
  LIBS deckwatch_scraper)
