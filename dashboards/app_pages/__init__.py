"""One page a file; only these and `app` import Streamlit."""
