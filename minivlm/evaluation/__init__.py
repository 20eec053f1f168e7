"""The paper's metrics as functions over plain data, and the loop that feeds them from any backend."""
