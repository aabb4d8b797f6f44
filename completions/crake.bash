source <(COMPLETE=bash crake)
