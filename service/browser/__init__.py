"""One browser on its way through the pages: its cookies, its session, and the proof that a form is ours."""
