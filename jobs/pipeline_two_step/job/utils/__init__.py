"""What the four steps share. They are sent to Azure ML as one folder, so that a change here reaches each of them."""
