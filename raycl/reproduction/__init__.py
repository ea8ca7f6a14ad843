"""The paper's experiments at our size: tables beside the paper's, claims decided, one document."""
