deckwatch_room(query_lang
  SOURCES
    ast.cc
    duration.cc
    functions.cc
    lexer.cc
    parser.cc
    parser_duration.cc
    parser_selector.cc
    printer.cc
    runes.cc
    token.cc
    type_check.cc
  LIBS deckwatch_base)
