"""The browser page of a live run.

    main loop                        thread of the page                      browsers
    WebPage.show -> SessionState --> Site -> ViewerConnection (WebSocket) --> static/page.js
    WebPage.commands <- SessionState <------ ViewerConnection <-------------- controls, acknowledgments
    WebPage.camera_frames <- VisitorCamera <- ViewerConnection <------------- the visitor's camera (static/camera.js)

`page` is the entry: `WebPage` is a `DisplaySink`. Only `messages` is importable without
the packages of the extra `web`.
"""
