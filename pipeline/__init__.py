"""What a run is made of: records, store, teachers, verifiers, assessment, traces, export. Imports no other package."""
