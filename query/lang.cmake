deckwatch_room(query_lang
  SOURCES
    functions.cc
  LIBS deckwatch_base)
