"""A Django site whose middle is forbidden, for gunicorn (WSGI) and uvicorn (ASGI)."""

import os

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path, re_path

settings.configure(
    SECRET_KEY="only for tests",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    LOGGING_CONFIG=None,
)
django.setup()


def says(marker):
    return lambda request, **kwargs: HttpResponse(os.environ[marker], content_type="text/plain")


def otherwise(request):
    """By what Django itself takes the path for: `/public//x` fits no rule above and is still below `/public/`."""
    below = request.path == "/public" or request.path.startswith("/public/")
    return HttpResponse(os.environ["OPEN" if below else "OUTSIDE"], content_type="text/plain")


urlpatterns = [
    re_path(r"^admin$", says("SECRET")),
    path("admin/", says("SECRET")),
    path("admin/<path:rest>", says("SECRET")),
    path("public/", says("OPEN")),
    path("public/<path:rest>", says("OPEN")),
    re_path(r"", otherwise),
]
wsgi = get_wsgi_application()
asgi = get_asgi_application()
