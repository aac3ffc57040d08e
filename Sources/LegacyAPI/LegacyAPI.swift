// LegacyAPI
