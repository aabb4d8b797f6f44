COMPLETE=fish crake | source
