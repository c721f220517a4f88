// Sends the answer on to the application (OAuth 2.0 Form Post Response Mode).
"use strict";

document.getElementById("form-post").submit();
